"""The review of a stack file for a pull request: what changes, what is found, what it costs, what runs next."""

from catalyx_dr.rules.review.markdown import page, refused_page
from catalyx_dr.rules.review.stack_review import Base, Review, judged

__all__ = ["Base", "Review", "judged", "page", "refused_page"]
