"""Arguments: what every public function asks of them, with errors that name them."""
