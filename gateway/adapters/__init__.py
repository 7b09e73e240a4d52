"""One foreign library or one part of the outside world each."""
