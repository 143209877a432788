"""The annotated data of a group as objects of R, written as ``.rds`` without R."""
