"""The Supabase wire: frames, one connection, and the clients that real pages use."""
