"""The web console: what people see of Roundhouse in a browser. A client of the public REST APIs only."""
