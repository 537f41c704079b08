"""Articles, who wrote them, and what is said about them."""
