"""What the catalog decides, without I/O: values in, values or errors out."""
