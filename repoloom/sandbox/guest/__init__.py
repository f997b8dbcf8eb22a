"""What runs inside the sandbox: the judge and the candidate. Bound there as files; only the standard library exists."""
