"""The metering service of Roundhouse."""
