"""The public doors, one file per verb: explain, synthesize, inspect, survey, measure, compare, report and others."""
