using System.Text;
using System.Text.Json.Nodes;

namespace OrleansCache.Gateway.Tests.Hostile;

/// <summary>
/// A body for each v1 route that reads one: nearly what it wants, and wrong in more than one place, so that a change that happens to mend
/// one of them mends nothing.
/// </summary>
internal static class JsonTemplates
{
    private const string Hash = "0c5b8vw40dy178xlpddw65q9gf1h2186";
    private const string Nar = "sha256:1b8m03r63zqhnjf7l5wnldhh7c134ap5vpj0850ymkq1iyzicy5s";
    private const string NoPush = "/v1/caches/default/pushes/999999999";

    public static (string Method, string Path, string Json) Pick(Random random, string openPush)
    {
        (string, string, string)[] all =
        [
            ("POST", "/v1/caches/default/pushes", $$"""
                {"roots":["{{Hash}}","1{{Hash[1..]}}"],"paths":[{"path":"{{Hash}}-hello","narHash":"{{Nar}}","narSize":0,"references":["2{{Hash[1..]}}"],"deriver":"{{Hash}}-x.drv","ca":"text:x","signatures":["a:b"]},
                {"path":"3{{Hash[1..]}}-y","narHash":"{{Nar}}","narSize":-5,"references":["4{{Hash[1..]}}"]}],"logs":[{"drv":"{{Hash}}-x.drv","path":"5{{Hash[1..]}}"}],"realisations":[{"id":"../../x","path":"6{{Hash[1..]}}"}],"pin":{"name":"app","keepRevisions":-1} }
                """),
            ("POST", $"{NoPush}/uploaded",
                $$"""{"uploads":[{"upload":"1~x~1~{{Nar[7..]}}~","fileHash":"{{Nar}}","fileSize":1,"md5":["x"]}],"listings":[{"path":"{{Hash}}","content":"AAAA"}],"logs":[{"drv":"{{Hash}}-x.drv","path":"{{Hash}}","content":"AAAA"}],"realisations":[{"id":"sha256:00!out","path":"{{Hash}}","content":"{}"}]}"""),
            ("POST", $"/v1/caches/default/pushes/{openPush}/uploaded",
                $$"""{"uploads":[{"upload":"1~../../x~1~{{Nar[7..]}}~00","fileHash":"{{Nar}}","fileSize":-1},{"upload":"9~{{new string('1', 52)}}.nar.zst~1~{{Nar[7..]}}~2e2e2f2e2e","fileHash":"{{Nar}}","fileSize":9}]}"""),
            ("POST", $"{NoPush}/wait", $$"""{"paths":["{{Hash}}"],"timeoutSeconds":1}"""),
            ("POST", $"{NoPush}/uploads/1~x~1~{Nar[7..]}~/urls", """{"firstPart":1,"count":1}"""),
            ("POST", $"/v1/caches/default/pushes/{openPush}/uploads/x/urls", """{"firstPart":0,"count":2000}"""),
            ("POST", "/v1/caches/default/missing", $$"""{"paths":["{{Hash}}","1{{Hash[1..]}}"]}"""),
            ("POST", "/v1/caches/default/promotions", $$"""{"from":"other","paths":["{{Hash}}"],"pin":"app","dryRun":true}"""),
            ("POST", "/v1/caches/default/gc",
                """{"olderThanSeconds":-1,"failedUploadsOlderThanSeconds":-1,"graceSeconds":-5,"force":false,"dryRun":true}"""),
            ("PUT", "/v1/caches/default/deployments/app/web-1",
                $$"""{"path":"{{Hash}}-nothing","revision":1,"outcome":"deployed","message":"","time":"2030-01-31T12:00:00Z"}"""),
            ("PUT", "/v1/caches/default/pins/app", $$"""{"path":"{{Hash}}-nothing","expiresSeconds":-1,"keepRevisions":0}"""),
            ("POST", "/v1/caches/default/pins/app/rollback", """{"revision":-3}"""),
            ("POST", "/v1/caches/default/tokens", """{"name":"a b","scopes":["all"],"pins":["/"],"expiresSeconds":-1}"""),
            ("POST", "/v1/caches/default/evictions",
                $$"""{"paths":["{{Hash}}"],"by":"token:1","since":"2026-05-01T12:00:00Z","nar":true,"reason":"a\nb","dryRun":true}"""),
        ];
        return all[random.Next(all.Length)];
    }

    /// <summary>The text with parts of it replaced by something else.</summary>
    public static string Spoil(Random random, string template)
    {
        switch (random.Next(12))
        {
            case 0:
                return string.Concat(Enumerable.Repeat(random.Next(2) == 0 ? "[" : "{\"a\":", random.Next(10, 20_000)));
            case 1:
                return Value(random, 0)?.ToJsonString() ?? "null";
            case 2:
                // A member twice; a comment; a comma too many.
                return template.Insert(1, ((string[])["\"paths\":1,", "/**/", ",", "\"\":", "\"paths\":[],"])[random.Next(5)]);
            case 3:
                return template.Replace("\"", ((string[])["'", "", "\\\"", "\"\""])[random.Next(4)], StringComparison.Ordinal);
            case 4:
                var at = random.Next(template.Length);
                return template[..at] + (char)random.Next(0, 0x2000) + template[(at + 1)..];
            case 5:
                return template.Replace(Hash, ((string[])[Hash.ToUpperInvariant(), "../" + Hash[3..], Hash + "\\u0000", "\\ud800" + Hash,
                    "", new string('1', 3000)])[random.Next(6)], StringComparison.Ordinal);
            case 6:
                return template.Replace(":1", ((string[])[":1e999", ":-1", ":99999999999999999999", ":1.5", ":\"1\"", ":null", ":01",
                    ":NaN"])[random.Next(8)], StringComparison.Ordinal);
        }

        var root = JsonNode.Parse(template)!;
        for (var i = random.Next(1, 3); i > 0; i--)
            Replace(random, root);
        return root.ToJsonString();
    }

    private static void Replace(Random random, JsonNode root)
    {
        for (var node = root; ;)
        {
            switch (node)
            {
                case JsonObject { Count: > 0 } members:
                    var name = members.ElementAt(random.Next(members.Count)).Key;
                    if (members[name] is { } child and (JsonObject or JsonArray) && random.Next(3) > 0)
                    {
                        node = child;
                        continue;
                    }

                    members[name] = Value(random, 0);
                    return;
                case JsonArray { Count: > 0 } items:
                    var at = random.Next(items.Count);
                    if (items[at] is { } item and (JsonObject or JsonArray) && random.Next(3) > 0)
                    {
                        node = item;
                        continue;
                    }

                    items[at] = Value(random, 0);
                    return;
                default:
                    return;
            }
        }
    }

    private static JsonNode? Value(Random random, int depth) => random.Next(depth > 3 ? 7 : 9) switch
    {
        0 => null,
        1 => random.Next(2) == 0,
        2 => random.NextInt64(long.MinValue, long.MaxValue),
        3 => random.NextDouble() * Math.Pow(10, random.Next(-300, 300)),
        4 => "",
        5 => Text(random),
        6 => new string((char)random.Next('a', 'z'), random.Next(1, 5000)),
        7 => new JsonArray([.. Enumerable.Range(0, random.Next(4)).Select(_ => Value(random, depth + 1))]),
        _ => new JsonObject(Enumerable.Range(0, random.Next(4))
            .Select(i => new KeyValuePair<string, JsonNode?>($"m{i}", Value(random, depth + 1)))),
    };

    private static string Text(Random random)
    {
        var text = new StringBuilder();
        for (var i = random.Next(1, 40); i > 0; i--)
            text.Append((char)random.Next(1, 0xd7ff));
        return text.ToString();
    }
}
