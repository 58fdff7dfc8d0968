using System.Diagnostics.CodeAnalysis;
using OrleansCache.Nix;

namespace OrleansCache.Core.Upstreams;

/// <summary>A cache whose paths count as there: its URL, and the keys that one of its signatures has to be of.</summary>
/// <remarks>As a setting: <c>https://cache.nixos.org cache.nixos.org-1:6NCH…=</c>, with further keys behind.</remarks>
public sealed record Upstream(Uri Url, IReadOnlyList<PublicKey> Keys)
{
    /// <param name="text">The URL and its keys, separated by spaces.</param>
    /// <param name="upstream">What was read.</param>
    /// <param name="error">What is wrong, and what is wanted; it follows the name of the setting.</param>
    public static bool TryParse(string? text, [NotNullWhen(true)] out Upstream? upstream, [NotNullWhen(false)] out string? error)
    {
        (upstream, error) = (null, null);
        var words = (text ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words.Length < 2)
            error = "is the URL of a cache and the keys that sign its paths, separated by spaces, such as " +
                "'https://cache.nixos.org cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY='";
        else if (!Uri.TryCreate(words[0].TrimEnd('/') + "/", UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https")
            || url.Query.Length > 0 || url.Fragment.Length > 0 || url.UserInfo.Length > 0)
            error = $"names '{words[0]}': an http or https URL without query and password is wanted";
        else
        {
            var keys = new List<PublicKey>();
            foreach (var word in words[1..])
            {
                if (!PublicKey.TryParse(word, out var key))
                {
                    error = $"has '{word}', which is no public key: name:base64 is wanted, as in trusted-public-keys of nix.conf";
                    return false;
                }

                keys.Add(key);
            }

            upstream = new Upstream(url, keys);
        }

        return upstream is not null;
    }

    public override string ToString() => $"{Url.AbsoluteUri.TrimEnd('/')} {string.Join(' ', Keys)}";
}

/// <summary>The upstreams of a cache, in the order in which they are asked.</summary>
public sealed record UpstreamOptions
{
    public IReadOnlyList<Upstream> Upstreams { get; init; } = [];

    /// <summary>A pin may be set on a closure that only an upstream completes.</summary>
    public bool AllowsPins { get; init; }

    /// <summary>How long an answer of an upstream is relied on without asking again.</summary>
    public TimeSpan Life { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long what no upstream has is not asked for again.</summary>
    public TimeSpan AbsentLife { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a push waits for all answers together; what is not known by then is uploaded.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an upstream that did not answer is left alone.</summary>
    public TimeSpan Rest { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a boundary that is lost is left until it is looked for again.</summary>
    public TimeSpan LostLife { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long a boundary of what nobody has published, and no open push brings, is kept; more than an hour.</summary>
    public TimeSpan BoundaryLife { get; init; } = TimeSpan.FromHours(3);

    /// <summary>How long what nobody refers to any more is remembered.</summary>
    public TimeSpan ForgottenAfter { get; init; } = TimeSpan.FromDays(2);
}
