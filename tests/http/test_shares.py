"""`/shared/…`: what a stranger sees who has a link."""

import httpx2

from tests.http.scenes import new_conversation, problem_in


class TestShares:
    async def test_a_stranger_with_the_link_reads_and_nobody_keeps_it(
        self, ada: httpx2.AsyncClient, stranger: httpx2.AsyncClient
    ) -> None:
        made = await new_conversation(ada, title="About <b>boats</b>")
        shares = f"/conversations/{made['id']}/shares"
        said = {"role": "user", "content": "<script>alert(1)</script> & more"}
        await ada.post(f"/conversations/{made['id']}/messages", json=said)
        answer = await ada.post(shares, json={})
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
        share = answer.json()
        page = await stranger.get(share["path"])
        assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert page.headers["x-robots-tag"] == "noindex, nofollow, noarchive"
        assert page.headers["referrer-policy"] == "no-referrer"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["content-security-policy"].startswith("default-src 'none'; style-src 'unsafe-inline'")
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page.text
        assert "<script" not in page.text
        assert "About &lt;b&gt;boats&lt;/b&gt;" in page.text
        assert (await stranger.post(share["path"])).status_code == 405
        [listed] = (await ada.get(shares)).json()["items"]
        assert listed == {name: value for name, value in share.items() if name != "path"}
        assert (await ada.delete(f"{shares}/{share['id']}")).status_code == 204
        gone, never = await stranger.get(share["path"]), await stranger.get("/shared/anything")
        assert (gone.status_code, gone.text) == (404, never.text)
        assert gone.headers["x-robots-tag"] == page.headers["x-robots-tag"]
        for odd in ("%00", "x" * 5000, "%ff", "é"):
            assert (await stranger.get(f"/shared/{odd}")).status_code == 404, odd

    async def test_without_names_neither_title_nor_name_is_told(
        self, ada: httpx2.AsyncClient, stranger: httpx2.AsyncClient
    ) -> None:
        made = await new_conversation(ada, title="Adas boats")
        body = {"mode": "live", "has_names": False, "days": 1}
        share = (await ada.post(f"/conversations/{made['id']}/shares", json=body)).json()
        page = (await stranger.get(share["path"])).text
        assert "boats" not in page
        assert "Nothing is said here yet." in page

    async def test_what_makes_no_sense_is_refused(self, ada: httpx2.AsyncClient) -> None:
        made = await new_conversation(ada)
        for body, code in (
            ({}, "nothing_to_share"),
            ({"mode": "live", "days": 0}, "bad_share_days"),
            ({"mode": "live", "days": 366}, "bad_share_days"),
        ):
            refused = await ada.post(f"/conversations/{made['id']}/shares", json=body)
            assert (refused.status_code, problem_in(refused)["code"]) == (422, code)
