"""The public functions, one file each: `cv.explain`, `cv.load_model`, `cv.synthesize`, `cv.report` and so on."""
