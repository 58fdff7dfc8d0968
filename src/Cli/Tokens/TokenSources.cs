using System.Net;
using OrleansCache.Cli.Common;
using OrleansCache.Cli.Http;
using OrleansCache.Cli.Settings;

namespace OrleansCache.Cli.Tokens;

/// <summary>
/// Finds where the token comes from: what is named, else the login at this server, the identity of a job (GitHub, Forgejo), the variable
/// of a GitLab job, the mounted token of a Kubernetes service account, in this order.
/// </summary>
internal sealed class TokenSources(HttpMessageInvoker http, RetryPolicy retry, Func<string, string?> environment)
{
    /// <summary>The variable that a GitLab job's <c>id_tokens</c> is to fill.</summary>
    public const string IdTokenVariable = "ORLEANS_CACHE_ID_TOKEN";

    /// <summary>Where a pod's projected service account token is to be mounted.</summary>
    public string ServiceAccountFile { get; init; } = "/var/run/secrets/orleans-cache/token";

    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <returns>A source without a token when there is none.</returns>
    public TokenSource Find(ServerSettings settings)
    {
        if (settings.TokenFile is { } file)
            return new FileToken(file, file, Time);
        if (settings.TokenCommand is { } command)
            return new CommandToken(command, Time);
        if (LoginStore.Default(environment) is { } logins && logins.Find(settings.Url) is { } login)
        {
            var ofLogin = new LoginToken(logins, settings.Url, new IssuerClient(http, retry), Time);
            // A token that was pasted for this URL is one that was named.
            return login.Issuer is null ? ofLogin : InPrivate(ofLogin, settings.Url);
        }

        // Whoever shows a certificate is known by that; what a job happens to have is not asked for.
        return settings.Tls.CertificateFile is not null ? TokenSource.None : InPrivate(OfJob(settings), settings.Url);
    }

    private TokenSource OfJob(ServerSettings settings)
    {
        if (environment(GitHubToken.UrlVariable) is { Length: > 0 } url
            && environment(GitHubToken.SecretVariable) is { Length: > 0 } secret)
            return new GitHubToken(http, url, secret, c => AudienceAsync(settings, c), retry, Time);
        if (environment(IdTokenVariable) is { Length: > 0 } token)
            return new EnvironmentToken(IdTokenVariable, token);
        return File.Exists(ServiceAccountFile)
            ? new FileToken(ServiceAccountFile, $"the service account ({ServiceAccountFile})", Time) : TokenSource.None;
    }

    private static TokenSource InPrivate(TokenSource found, Uri server) =>
        found == TokenSource.None || IssuerClient.IsSafe(server) ? found : new WithheldToken(found, server);

    private async Task<string> AudienceAsync(ServerSettings settings, CancellationToken cancellationToken)
    {
        if (settings.Audience is { } named)
            return named;
        try
        {
            var login = await new Api(http, settings.Url, settings.Cache, TokenSource.None, retry).LoginAsync(cancellationToken);
            if (login.Issuers.Count > 0)
                return JobAudience.Of(login, settings.Url, environment(JobAudience.ForgeVariable));
        }
        catch (CacheException e) when (e.Status == HttpStatusCode.NotFound)
        {
            // An older server, which takes no tokens of issuers.
        }

        throw new CliException(ExitCodes.Refused,
            $"{settings.Url} takes no identities of jobs: name a token of its own with --token-file, or give the server an issuer (--access).")
        { IsComplete = true };
    }
}
