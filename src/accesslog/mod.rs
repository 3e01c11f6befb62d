//! One line of an ELB access log becomes a request, and an object key tells what the object holds.
