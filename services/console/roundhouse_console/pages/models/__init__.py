"""The marketplace: which models there are, what each is like, and how they come here."""
