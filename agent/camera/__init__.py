"""Where frames come from: what a camera has to do, and the list of the ones there are."""
