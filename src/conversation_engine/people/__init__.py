"""What people do across domains: practise with clients, look after others, give feedback, take their data along."""
