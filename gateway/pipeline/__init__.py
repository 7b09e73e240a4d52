"""The async line of data: intake, committer, evaluator, outbox, projectors."""
