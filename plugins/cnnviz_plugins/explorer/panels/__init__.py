"""The panels of a unit's page, one file each."""
