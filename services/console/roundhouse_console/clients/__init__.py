"""The REST APIs of the other services, asked with the signed-in person's token."""
