using System.Diagnostics.CodeAnalysis;

namespace OrleansCache.Contracts;

/// <summary>The name of a cache in URLs and settings: <c>^[a-z0-9][a-z0-9-]{0,62}$</c>.</summary>
public readonly record struct CacheName
{
    private readonly string? _value;

    private CacheName(string value) => _value = value;

    /// <summary>The cache that exists from the start and has no prefix in the bucket.</summary>
    public static CacheName Default { get; } = new("default");

    public static bool TryParse([NotNullWhen(true)] string? text, out CacheName name)
    {
        name = default;
        if (text is null || text.Length is 0 or > 63 || text[0] == '-')
            return false;
        foreach (var c in text)
        {
            if (!char.IsAsciiLetterLower(c) && !char.IsAsciiDigit(c) && c != '-')
                return false;
        }

        name = new CacheName(text);
        return true;
    }

    public override string ToString() => _value ?? "";
}
