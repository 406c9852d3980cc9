"""What the plate finder learnt from, and the program that taught it."""
