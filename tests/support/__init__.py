"""What tests of the store and the actors share: events, destinations that are easily told what to do, a small world."""
