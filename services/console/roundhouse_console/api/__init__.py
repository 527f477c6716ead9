"""The HTTP edge: signing in and out, cookies, the gate in front of everything, files up and down."""
