"""A camera is followed where it stands, and only what a watcher has to see is sent on.

``costream edge`` runs the same follower at the camera that ``--decode auto`` runs where the model
is (:mod:`costream.video.on_demand`), and sends the camera's own packets of the pictures that are
shown. The receiving side decodes them and hands the sampler what it would have been handed at the
camera. Nothing here needs torch.
"""
