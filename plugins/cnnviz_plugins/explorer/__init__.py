"""Sites of `cv.explore`: what the pages of units show, and the page itself."""
