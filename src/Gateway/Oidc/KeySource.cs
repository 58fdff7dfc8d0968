using System.Text.Json;

namespace OrleansCache.Gateway.Oidc;

/// <summary>Where an issuer's keys are: a file, or what its discovery document names.</summary>
internal sealed class KeySource(Issuer issuer, HttpClient http)
{
    public const int MaxBytes = 1 << 20;

    // So that what the issuer wrote leaves room for what the server says of it.
    private const int MaxQuoted = 60;
    private const int MaxPlace = 120;

    /// <summary>The longest wait for one answer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>Issuers are asked by https, or on this machine: whoever can change keys on their way could let in anybody.</summary>
    public static bool IsAllowed(string text) => IsAllowed(text, mayBePlain: true);

    /// <summary>A client for all issuers.</summary>
    public static HttpClient OpenHttp() => new(new SocketsHttpHandler
    {
        AllowAutoRedirect = false, // Where keys come from is configured, and nobody else's to say.
        UseCookies = false,
        ConnectTimeout = Patience,
        PooledConnectionLifetime = TimeSpan.FromMinutes(5),
    })
    {
        Timeout = Patience,
        MaxResponseContentBufferSize = MaxBytes,
    };

    /// <exception cref="KeySourceException">They cannot be had; the message says why.</exception>
    public async Task<KeySet> FetchAsync(CancellationToken cancellationToken)
    {
        if (issuer.KeyFile is { } file)
            return await ReadAsync(file, cancellationToken);
        var discovery = $"{issuer.Url.TrimEnd('/')}/.well-known/openid-configuration";
        var document = await GetAsync(discovery, cancellationToken);
        var keys = await GetAsync(KeysOf(document, discovery), cancellationToken);
        return Parse(keys, KeysOf(document, discovery));
    }

    private static async Task<KeySet> ReadAsync(string file, CancellationToken cancellationToken)
    {
        try
        {
            return new FileInfo(file) is { Exists: true, Length: > MaxBytes }
                ? throw new KeySourceException($"{file} is larger than {MaxBytes} bytes")
                : Parse(await File.ReadAllTextAsync(file, cancellationToken), file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new KeySourceException($"{file} cannot be read: {e.Message}", e);
        }
    }

    // http on this machine is for an issuer that is there itself: another one could name whatever else listens here.
    private static bool IsAllowed(string text, bool mayBePlain) => Uri.TryCreate(text, UriKind.Absolute, out var url)
        && url.Query.Length == 0 && url.Fragment.Length == 0 && url.UserInfo.Length == 0
        && (url.Scheme == "https" || (mayBePlain && IsPlain(text)));

    private static bool IsPlain(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme == "http" && url.IsLoopback;

    private static string Cut(string text) => LogText.Plain(text, MaxQuoted);

    private static KeySet Parse(string json, string from)
    {
        try
        {
            return KeySet.Parse(json);
        }
        catch (KeySourceException e)
        {
            throw new KeySourceException($"{LogText.Plain(from, MaxPlace)} cannot be used: {e.Message}", e);
        }
    }

    private string KeysOf(string document, string from)
    {
        try
        {
            using var read = JsonDocument.Parse(document);
            var root = read.RootElement;
            if (root.ValueKind != JsonValueKind.Object || JwtText.TextOf(root, "issuer") is not { } named
                || JwtText.TextOf(root, "jwks_uri") is not { } keys)
                throw new KeySourceException($"{from} is no discovery document: 'issuer' and 'jwks_uri' are wanted");
            if (named != issuer.Url)
                throw new KeySourceException($"{from} is of the issuer '{Cut(named)}': write that as 'issuer' in the file of --access");
            return IsAllowed(keys, IsPlain(issuer.Url)) ? keys
                : throw new KeySourceException($"{from} names the keys '{Cut(keys)}', which is no https URL without query");
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new KeySourceException($"{from} is no JSON", e);
        }
    }

    private async Task<string> GetAsync(string url, CancellationToken cancellationToken)
    {
        var told = LogText.Plain(url, MaxPlace);
        try
        {
            using var answer = await http.GetAsync(new Uri(url), cancellationToken);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsStringAsync(cancellationToken)
                : throw new KeySourceException($"{told} answers {(int)answer.StatusCode}");
        }
        catch (HttpRequestException e)
        {
            throw new KeySourceException($"{told} does not answer: {(e.InnerException ?? e).Message}", e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw new KeySourceException($"{told} does not answer within {Patience.TotalSeconds:0} s", e);
        }
        catch (InvalidOperationException e)
        {
            throw new KeySourceException($"{told} answers in no known character set", e);
        }
    }
}

/// <summary>The keys of an issuer cannot be had; the message says why, in one short line whatever the issuer answers.</summary>
internal sealed class KeySourceException(string message, Exception? inner = null) : Exception(LogText.Plain(message, MaxLength), inner)
{
    public const int MaxLength = 200;
}
