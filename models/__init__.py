"""What a grader is: the contract that training writes and the service reads. Imports neither of them."""
