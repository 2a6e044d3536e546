"""Common public formats read as our case lines: one file a family, put together by `convert`."""
