"""The public functions, one file each: explain, synthesize, inspect, survey, measure, compare, report and others."""
