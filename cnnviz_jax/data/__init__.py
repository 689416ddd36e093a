"""Images in: files, folders, arrays and data sets to float32 in [0, 1]."""
