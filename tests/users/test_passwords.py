"""Passwords with the real hasher."""

from conversation_engine.domains.users.passwords import Passwords


class TestPasswords:
    async def test_a_hash_is_argon2id_and_verifies_its_own_password_only(self) -> None:
        passwords = Passwords()
        made = await passwords.hash("pässword for ada")
        assert made.startswith("$argon2id$")
        assert await passwords.verify("pässword for ada", made) == (True, None)
        assert (await passwords.verify("password for ada", made))[0] is False
        assert (await passwords.verify("anything", None)) == (False, None)

    async def test_accents_may_be_composed_either_way(self) -> None:
        passwords = Passwords()
        assert (await passwords.verify("pa\u0308ssword for ada", await passwords.hash("p\u00e4ssword for ada")))[0]

    async def test_a_weaker_hash_is_replaced(self) -> None:
        from pwdlib.hashers.argon2 import Argon2Hasher

        weak = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash("pässword for ada")
        is_right, better = await Passwords().verify("pässword for ada", weak)
        assert is_right
        assert better is not None
        assert (await Passwords().verify("pässword for ada", better)) == (True, None)
