"""Webhooks to the QMS: envelope seal, published contract, the sender and the reference receiver's checks."""
