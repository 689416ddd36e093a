"""Options of the families of measures, a module each; imports nothing heavy."""
