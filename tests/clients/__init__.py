"""Other people's clients, as their users have them: JavaScript's in node and in pages, Supabase's in Python.

tools/real_servers gets them, at the versions of package-lock.json and requirements/realtime.txt.
"""
