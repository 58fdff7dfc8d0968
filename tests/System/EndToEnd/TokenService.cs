using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Web;
using Amazon.Runtime;
using Amazon.SecurityToken;
using Amazon.SecurityToken.Model;
using OrleansCache.Testing;

namespace OrleansCache.EndToEnd.Tests;

/// <summary>
/// Gives a role's temporary keys to who shows a token, as Amazon's STS does (AssumeRoleWithWebIdentity), and as the agent beside a
/// container does. The keys are real: the S3 server's own STS grants them. That server would check such tokens only with an identity
/// provider beside it.
/// </summary>
internal sealed class TokenService : IAsyncDisposable
{
    private readonly string _role;
    private readonly string _token;
    private readonly HttpListener _listener = new();
    private readonly AmazonSecurityTokenServiceClient _granting;
    private readonly Task _serving;
    private readonly ConcurrentQueue<string> _refused = new();
    private int _granted;

    public TokenService(CephServer s3, string role, string token)
    {
        (_role, _token) = (role, token);
        _granting = new AmazonSecurityTokenServiceClient(
            new BasicAWSCredentials(s3.AccessKey, s3.SecretKey), new AmazonSecurityTokenServiceConfig
            {
                ServiceURL = s3.Endpoint.ToString(),
                AuthenticationRegion = s3.Region
            });
        Url = new Uri($"http://127.0.0.1:{FreePort.Next()}/");
        _listener.Prefixes.Add(Url.ToString());
        _listener.Start();
        _serving = ServeAsync();
    }

    public Uri Url { get; }

    /// <summary>How often it has given keys.</summary>
    public int Granted => _granted;

    /// <summary>What it was asked and did not grant.</summary>
    public IReadOnlyCollection<string> Refused => _refused;

    // Later than they do: nobody asks for others a quarter of an hour before that.
    private static string Ends => DateTime.UtcNow.AddHours(1).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    public async ValueTask DisposeAsync()
    {
        // Stop alone would give the port away, and Close after it listens once more.
        _listener.Close();
        await _serving;
        _granting.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            HttpListenerContext http;
            try
            {
                http = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            using var reader = new StreamReader(http.Request.InputStream);
            var asked = await reader.ReadToEndAsync();
            var answer = Encoding.UTF8.GetBytes(http.Request.HttpMethod == "GET"
                ? await AnswerContainerAsync(http.Request.Headers["Authorization"] ?? "") : await AnswerAsync(asked));
            http.Response.StatusCode = answer.Length == 0 ? 403 : 200;
            http.Response.ContentType = http.Request.HttpMethod == "GET" ? "application/json" : "text/xml";
            http.Response.ContentLength64 = answer.Length;
            await http.Response.OutputStream.WriteAsync(answer);
            http.Response.Close();
        }
    }

    private async Task<string> AnswerAsync(string asked)
    {
        var form = HttpUtility.ParseQueryString(asked);
        if (form["Action"] != "AssumeRoleWithWebIdentity" || form["RoleArn"] != _role || form["WebIdentityToken"] != _token)
        {
            _refused.Enqueue(asked);
            return "";
        }

        var keys = await GrantAsync();
        return $"""
            <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
            <Credentials><AccessKeyId>{keys.AccessKeyId}</AccessKeyId><SecretAccessKey>{keys.SecretAccessKey}</SecretAccessKey><SessionToken>{keys.SessionToken}</SessionToken>
            <Expiration>{Ends}</Expiration></Credentials>
            </AssumeRoleWithWebIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></AssumeRoleWithWebIdentityResponse>
            """;
    }

    private async Task<string> AnswerContainerAsync(string authorization)
    {
        if (authorization != _token)
        {
            _refused.Enqueue(authorization);
            return "";
        }

        var keys = await GrantAsync();
        return $$"""{"AccessKeyId":"{{keys.AccessKeyId}}","SecretAccessKey":"{{keys.SecretAccessKey}}","Token":"{{keys.SessionToken}}","Expiration":"{{Ends}}"}""";
    }

    private async Task<Credentials> GrantAsync()
    {
        var keys = (await _granting.AssumeRoleAsync(new AssumeRoleRequest
        {
            RoleArn = _role,
            RoleSessionName = "server",
            DurationSeconds = 900
        })).Credentials;
        Interlocked.Increment(ref _granted);
        return keys;
    }
}
