"""Pure parts: units and times as people read them, words, what a role is shown, options of charts."""
