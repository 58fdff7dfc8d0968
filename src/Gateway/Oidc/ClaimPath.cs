using System.Text.Json;

namespace OrleansCache.Gateway.Oidc;

/// <summary>
/// Where a claim is: names with dots between them. A claim's own name may have dots, so the longest name that a token has is tried first:
/// <c>kubernetes.io.namespace</c> is <c>namespace</c> in <c>kubernetes.io</c>.
/// </summary>
internal sealed record ClaimPath(string Text)
{
    /// <summary>Of a path, in names: every way to read it is tried, and their number doubles with each.</summary>
    public const int MaxNames = 8;

    public const int MaxLength = 200;

    /// <summary>
    /// What the claim says, as text: its value, or those of its list; null: the token has no such claim, or it is an object.
    /// </summary>
    public IReadOnlyList<string>? FindIn(JsonElement claims)
    {
        if (Find(claims, Text) is not { } found)
            return null;
        if (found.ValueKind == JsonValueKind.Array)
            return [.. found.EnumerateArray().Select(TextOf).OfType<string>()];
        return TextOf(found) is { } text ? [text] : null;
    }

    public override string ToString() => Text;

    private static JsonElement? Find(JsonElement at, ReadOnlySpan<char> path)
    {
        if (at.ValueKind != JsonValueKind.Object)
            return null;
        for (var end = path.Length; end > 0; end = path[..end].LastIndexOf('.'))
        {
            if (!at.TryGetProperty(path[..end], out var child))
                continue;
            if (end == path.Length)
                return child;
            if (Find(child, path[(end + 1)..]) is { } found)
                return found;
        }

        return null;
    }

    private static string? TextOf(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.True => "true",
        JsonValueKind.False => "false",
        _ => null,
    };
}
