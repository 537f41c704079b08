"""Whether searches keep the recall that they are asked for, and whether reports of it are true."""
