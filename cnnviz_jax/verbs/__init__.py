"""The public doors, one file per verb: explain, synthesize, inspect, capture, render, report."""
