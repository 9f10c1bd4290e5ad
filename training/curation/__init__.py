"""From raw videos to clips of one talking or laughing face with its motion, as LaughTalk's data were made."""
