"""What other rooms need of long paths."""
