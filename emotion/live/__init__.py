"""A camera session without a page: newest frame wins, blur, recording, the demo camera, why no camera comes."""
