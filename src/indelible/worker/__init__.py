"""What runs behind the service: the signer of checkpoints."""
