using System.Web;
using OrleansCache.Cli.Common;

namespace OrleansCache.Cli.Import;

/// <summary>What SOURCE names: a bucket, a web server or a folder, each as Nix writes it.</summary>
internal abstract record SourceAddress
{
    private static readonly string[] S3Parameters = ["endpoint", "region", "profile", "scheme", "anonymous"];

    /// <exception cref="CliException">It names none of them.</exception>
    public static SourceAddress Parse(string text)
    {
        if (text.StartsWith("s3://", StringComparison.Ordinal))
            return ParseBucket(text);
        if (text.StartsWith("http://", StringComparison.Ordinal) || text.StartsWith("https://", StringComparison.Ordinal))
            return ParseUrl(text);
        if (text.StartsWith("file://", StringComparison.Ordinal))
            return new OfFolder(Path.GetFullPath(Uri.TryCreate(text.Split('?')[0], UriKind.Absolute, out var file) && file.Host.Length == 0
                ? file.LocalPath : throw Wrong(text, "file:// is followed by an absolute path, as in file:///srv/cache")));
        return text.Contains("://", StringComparison.Ordinal)
            ? throw Wrong(text, "a source is a folder, s3://BUCKET, https://… or http://…")
            : new OfFolder(Path.GetFullPath(text));
    }

    private static OfUrl ParseUrl(string text)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Query.Length > 0 || url.Fragment.Length > 0)
            throw Wrong(text, "it is no URL of a cache, such as https://cache.example.org");
        if (url.UserInfo.Length > 0)
            throw Wrong(text[..text.IndexOf("//", StringComparison.Ordinal)] + "//…@" + url.Host,
                "a password in a command line can be seen by others: put it in a file, and name that with --source-token-file");
        return new OfUrl(new Uri(url.AbsoluteUri.TrimEnd('/') + "/"));
    }

    private static OfBucket ParseBucket(string text)
    {
        var question = text.IndexOf('?', StringComparison.Ordinal);
        var place = (question < 0 ? text : text[..question])["s3://".Length..].Split('/', 2);
        if (place[0].Length == 0)
            throw Wrong(text, "it names no bucket, as in s3://bucket");
        var parameters = HttpUtility.ParseQueryString(question < 0 ? "" : text[question..]);
        foreach (var name in parameters.AllKeys)
        {
            // What Nix knows beside these concerns its writes.
            if (name is null || !S3Parameters.Contains(name))
                throw Wrong(text, $"'{name}' is none of {string.Join(", ", S3Parameters)}");
        }

        var prefix = place is [_, var rest] ? rest.Trim('/') : "";
        return new OfBucket(place[0], prefix.Length == 0 ? "" : prefix + "/")
        {
            Endpoint = EndpointOf(text, parameters["endpoint"], parameters["scheme"]),
            Region = parameters["region"],
            Profile = parameters["profile"],
            IsAnonymous = parameters["anonymous"] switch
            {
                null or "false" => false,
                "true" => true,
                _ => throw Wrong(text, "anonymous is true or false"),
            },
        };
    }

    // Nix has host and scheme apart; a URL is taken, too.
    private static Uri? EndpointOf(string text, string? endpoint, string? scheme)
    {
        if (endpoint is null)
            return null;
        if (scheme is not (null or "http" or "https"))
            throw Wrong(text, "scheme is http or https");
        var url = endpoint.Contains("://", StringComparison.Ordinal) ? endpoint : $"{scheme ?? "https"}://{endpoint}";
        return Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" && uri.UserInfo.Length == 0 ? uri
            : throw Wrong(text, $"the endpoint '{endpoint}' is no host, such as s3.example.org:9000, and no URL");
    }

    private static CliException Wrong(string text, string why) => new(ExitCodes.Usage, $"{text} is not a source: {why}.");

    public sealed record OfFolder(string Folder) : SourceAddress;

    /// <param name="Url">With a slash at its end.</param>
    public sealed record OfUrl(Uri Url) : SourceAddress;

    /// <param name="Bucket">Its name.</param>
    /// <param name="Prefix">How its keys begin: empty, or with a slash at its end.</param>
    public sealed record OfBucket(string Bucket, string Prefix) : SourceAddress
    {
        /// <summary>Null: AWS.</summary>
        public Uri? Endpoint { get; init; }

        public string? Region { get; init; }

        /// <summary>Of the files of the AWS tools; null: what their usual order finds.</summary>
        public string? Profile { get; init; }

        /// <summary>Requests are not signed.</summary>
        public bool IsAnonymous { get; init; }
    }
}
