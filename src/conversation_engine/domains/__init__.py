"""The nouns. Working domains are strangers; they meet in `turns` (when something happens) or `insights`."""
