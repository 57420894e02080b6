"""What a person changes in an analyzed video: names, merged and hidden faces, markers."""
