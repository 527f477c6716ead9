"""What the router does all the time besides answering."""
