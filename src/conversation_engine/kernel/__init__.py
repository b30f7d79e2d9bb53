"""Words that every room uses: ids, time, errors, money, pages, people. Standard library only."""
