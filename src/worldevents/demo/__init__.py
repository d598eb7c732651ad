"""The main job, ready to run: the winter event, a real December of meets, and their replay."""
