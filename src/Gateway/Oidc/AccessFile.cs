using System.Text.Json;
using OrleansCache.Contracts;
using OrleansCache.Core.Common;
using OrleansCache.Gateway.Auth;

namespace OrleansCache.Gateway.Oidc;

/// <summary>The file of <c>--access</c>: issuers, certificates, and their rules. Every fault of it is told with its place.</summary>
internal sealed class AccessFile
{
    // What differs from one job of a repository to the next.
    private static readonly string[] Passing =
    [
        "run_id", "run_number", "run_attempt", "job_id", "pipeline_id", "job_workflow_sha", "workflow_sha", "check_run_id", "jti", "iat",
        "exp", "nbf", "auth_time", "nonce", "at_hash", "sha", "commit_sha", "ci_config_sha", "actor_id", "runner_id",
        "kubernetes.io.pod.name", "kubernetes.io.pod.uid",
    ];

    private static readonly string[] Scopes = [.. Enum.GetValues<TokenScope>().Select(s => s.ToString().ToLowerInvariant())];

    private readonly AccessReader _reader = new();
    private readonly HashSet<string> _ruleNames = new(StringComparer.Ordinal);
    private readonly string _folder;
    private readonly string _audience;

    private AccessFile(string folder, string audience) => (_folder, _audience) = (folder, audience);

    /// <param name="path">The file.</param>
    /// <param name="publicUrl">What clients reach the server under: the audience where none is given.</param>
    /// <exception cref="StartupException">It cannot be read, or something in it is wrong.</exception>
    public static AccessRules Read(string path, Uri publicUrl)
    {
        try
        {
            return Parse(File.ReadAllBytes(path), path, publicUrl);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StartupException($"The file {path} of --access cannot be read: {e.Message}", e);
        }
    }

    internal static AccessRules Parse(ReadOnlyMemory<byte> json, string path, Uri publicUrl)
    {
        try
        {
            using var document = JsonDocument.Parse(json, new JsonDocumentOptions
            {
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
                AllowDuplicateProperties = false,
            });
            var file = new AccessFile(Path.GetDirectoryName(Path.GetFullPath(path))!, publicUrl.OriginalString.TrimEnd('/'));
            var rules = file.ReadAll(document.RootElement);
            return file._reader.Faults.Count == 0 ? rules
                : throw new StartupException(
                    $"The file {path} of --access is not as the server reads it:\n  {string.Join("\n  ", file._reader.Faults)}");
        }
        catch (JsonException e)
        {
            throw new StartupException($"The file {path} of --access is not JSON: {e.Message}", e);
        }
    }

    private AccessRules ReadAll(JsonElement root)
    {
        _reader.DemandMembers(root, "$", "issuers", "certificates");
        var certificates = ReadCertificates(root);
        // Certificates alone are enough.
        var issuers = certificates is null || root.TryGetProperty("issuers", out _) ? ReadIssuers(root) : [];
        return new AccessRules(issuers, certificates);
    }

    private List<Rule>? ReadCertificates(JsonElement root)
    {
        const string At = "$.certificates";
        if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty("certificates", out var certificates))
            return null;
        _reader.DemandMembers(certificates, At, "rules");
        var rules = _reader.Items(certificates, At, "rules", "at least one rule is wanted, as without one no certificate lets anybody in")
            .Select(r => ReadRule(r.Element, r.Place)).ToList();
        foreach (var rule in rules)
        {
            foreach (var passing in (rule.Publisher ?? []).Select(p => p.Text).Intersect(CertificateIdentities.Passing))
                _reader.Fault($"{At}.rules", $"the publisher of '{rule.Name}' has '{passing}', which a renewed certificate has another " +
                    "of: name what stays, such as 'dns'");
            foreach (var path in rule.Claims.Select(c => c.Path.Text).Concat((rule.Publisher ?? []).Select(p => p.Text))
                .Except(CertificateIdentities.Claims).Distinct())
                _reader.Fault($"{At}.rules", $"the rule '{rule.Name}' has '{path}', which no certificate has: " +
                    $"{string.Join(", ", CertificateIdentities.Claims)} are known");
        }

        return [.. rules.Select(r => r with { Publisher = r.Publisher ?? CertificateIdentities.DefaultPublisher })];
    }

    private List<Issuer> ReadIssuers(JsonElement root)
    {
        var issuers = _reader.Items(root, "$", "issuers", "at least one issuer is wanted").Select(i => ReadIssuer(i.Element, i.Place))
            .ToList();
        foreach (var twice in issuers.GroupBy(i => i.Url, StringComparer.Ordinal).Where(g => g.Key.Length > 0 && g.Count() > 1))
            _reader.Fault("$.issuers", $"'{twice.Key}' is there twice: put all of its rules into one issuer");
        foreach (var twice in issuers.GroupBy(i => i.Name, StringComparer.Ordinal).Where(g => g.Key.Length > 0 && g.Count() > 1))
            _reader.Fault("$.issuers", $"the name '{twice.Key}' is there twice: give each issuer one of its own");
        return issuers;
    }

    private Issuer ReadIssuer(JsonElement issuer, string at)
    {
        _reader.DemandMembers(issuer, at, "name", "issuer", "audience", "jwksFile", "login", "rules");
        var file = _reader.Text(issuer, at, "jwksFile", isOptional: true);
        var url = _reader.Text(issuer, at, "issuer") ?? "";
        if (url.Length > 0 && file is null && !KeySource.IsAllowed(url))
            _reader.Fault($"{at}.issuer", $"'{url}' is no https URL, from which alone its keys are fetched: give one without query, or " +
                "the keys themselves as 'jwksFile'");
        if (file?.Contains('\0', StringComparison.Ordinal) == true)
            _reader.Fault($"{at}.jwksFile", "no file's name has a NUL character");
        var audiences = _reader.Texts(issuer, at, "audience", isOptional: true) ?? [_audience];
        return new Issuer(
            _reader.Name(issuer, at, "name") ?? "", url, audiences,
            file is null ? null : Path.Combine(_folder, file),
            [.. _reader.Items(issuer, at, "rules", "at least one rule is wanted, as an issuer without lets in nobody")
                .Select(r => ReadRule(r.Element, r.Place))])
        { Login = ReadLogin(issuer, at, audiences) };
    }

    private LoginClient? ReadLogin(JsonElement issuer, string at, List<string> audiences)
    {
        if (issuer.ValueKind != JsonValueKind.Object || !issuer.TryGetProperty("login", out var login))
            return null;
        at += ".login";
        _reader.DemandMembers(login, at, "clientId", "scopes");
        var client = _reader.Text(login, at, "clientId") ?? "";
        if (client.Length > 0 && !audiences.Contains(client))
            _reader.Fault($"{at}.clientId", $"the ID tokens of a login name '{client}' in 'aud', which is no audience of this issuer, so " +
                "none would be accepted: add it to 'audience'");
        return new LoginClient(client, _reader.Texts(login, at, "scopes", isOptional: true));
    }

    private Rule ReadRule(JsonElement rule, string at)
    {
        _reader.DemandMembers(rule, at, "name", "claims", "scopes", "pins", "caches", "group", "publisher");
        var name = _reader.Name(rule, at, "name") ?? "";
        if (name.Length > 0 && !_ruleNames.Add(name))
            _reader.Fault($"{at}.name", $"the name '{name}' is there twice: publishers are called after their rules, so give each its own");
        var scopes = ReadScopes(rule, at);
        var group = _reader.Name(rule, at, "group", isOptional: true);
        if (group == Caller.TokenFileGroup)
            _reader.Fault($"{at}.group", $"'{group}' is the group of the token file, whose tokens may do everything: take another name");
        return new Rule(name, ReadClaims(rule, at), new Permit(ReadCaches(rule, at), scopes, ReadPins(rule, at, scopes), name, group),
            ReadPublisher(rule, at));
    }

    private List<WantedClaim> ReadClaims(JsonElement rule, string at)
    {
        var wanted = new List<WantedClaim>();
        if (!_reader.TryObject(rule, at, "claims", "a rule without claims would let in everybody of the issuer", out var claims))
            return wanted;
        foreach (var claim in claims.EnumerateObject())
        {
            var place = $"{at}.claims['{claim.Name}']";
            if (ReadPath(claim.Name, place) is { } path && _reader.ValueTexts(claim.Value, place) is { } patterns)
                wanted.Add(new WantedClaim(path, patterns));
        }

        if (!claims.EnumerateObject().Any())
            _reader.Fault($"{at}.claims", "a rule without claims would let in everybody of the issuer: name at least one claim");
        return wanted;
    }

    private Scopes ReadScopes(JsonElement rule, string at)
    {
        var all = Auth.Scopes.None;
        foreach (var word in _reader.Texts(rule, at, "scopes") ?? [])
        {
            var index = Array.IndexOf(Scopes, word);
            if (index < 0)
                _reader.Fault($"{at}.scopes", $"'{word}' is no scope: {string.Join(", ", Scopes)} are");
            else
                all |= Enum.GetValues<TokenScope>()[index].ToScopes();
        }

        return all;
    }

    private List<string> ReadCaches(JsonElement rule, string at)
    {
        var caches = _reader.Texts(rule, at, "caches", isOptional: true) ?? [CacheName.Default.ToString()];
        foreach (var bad in caches.Where(c => c.Length > 63 || !c.All(x => char.IsAsciiLetterLower(x) || char.IsAsciiDigit(x)
            || x is '-' or '*' or '?')))
            _reader.Fault($"{at}.caches", $"'{bad}' matches no cache: a-z, 0-9, '-', '*' (any characters) and '?' (one) are wanted");
        return caches;
    }

    private List<PinPattern>? ReadPins(JsonElement rule, string at, Scopes scopes)
    {
        if (_reader.Texts(rule, at, "pins", isOptional: true) is not { } texts)
            return null;
        if ((scopes & (Auth.Scopes.Pin | Auth.Scopes.Deploy)) == 0)
            _reader.Fault($"{at}.pins", "pins says which pins the scopes 'pin' and 'deploy' are for: add one, or leave the pins out");
        var pins = new List<PinPattern>();
        foreach (var text in texts)
        {
            if (PinPattern.TryParse(text, out var pattern))
                pins.Add(pattern);
            else
                _reader.Fault($"{at}.pins", $"'{text}' is not a pattern of pins: {PinPattern.Rule}");
        }

        return pins;
    }

    private List<ClaimPath>? ReadPublisher(JsonElement rule, string at)
    {
        if (_reader.Texts(rule, at, "publisher", isOptional: true) is not { } names)
            return null;
        foreach (var passing in names.Intersect(Passing, StringComparer.Ordinal))
            _reader.Fault($"{at}.publisher", $"'{passing}' differs from job to job, so no job could go on with another's push: name what " +
                "stays, such as 'repository_id'");
        return [.. names.Select(n => ReadPath(n, $"{at}.publisher")).OfType<ClaimPath>()];
    }

    private ClaimPath? ReadPath(string text, string place)
    {
        if (text.Length is > 0 and <= ClaimPath.MaxLength && text.Count(c => c == '.') < ClaimPath.MaxNames)
            return new ClaimPath(text);
        _reader.Fault(place, $"the name of a claim is 1 to {ClaimPath.MaxLength} characters, with {ClaimPath.MaxNames - 1} dots at most");
        return null;
    }
}
