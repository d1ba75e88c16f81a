"""What the service watches and whom it tells, as a file says it and as the API changes it."""
