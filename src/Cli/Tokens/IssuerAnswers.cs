using System.Text.Json.Serialization;
using OrleansCache.Contracts;

namespace OrleansCache.Cli.Tokens;

/// <summary>A login that waits for the person.</summary>
internal sealed record DeviceLogin(LoginIssuer Issuer, Uri TokenEndpoint, DeviceAnswer Answer);

/// <summary>What an issuer says of itself.</summary>
internal sealed record Discovery
{
    [JsonPropertyName("issuer")]
    public string? Issuer { get; init; }

    [JsonPropertyName("device_authorization_endpoint")]
    public string? DeviceEndpoint { get; init; }

    [JsonPropertyName("token_endpoint")]
    public string? TokenEndpoint { get; init; }

    [JsonPropertyName("revocation_endpoint")]
    public string? RevocationEndpoint { get; init; }
}

/// <summary>What the person has to open and to enter.</summary>
internal sealed record DeviceAnswer
{
    [JsonPropertyName("device_code")]
    public string? DeviceCode { get; init; }

    [JsonPropertyName("user_code")]
    public string? UserCode { get; init; }

    [JsonPropertyName("verification_uri")]
    public string? VerificationUri { get; init; }

    [JsonPropertyName("verification_uri_complete")]
    public string? CompleteUri { get; init; }

    [JsonPropertyName("expires_in")]
    public int? ExpiresIn { get; init; }

    [JsonPropertyName("interval")]
    public int? Interval { get; init; }
}

/// <summary>What comes of a login or a refresh. An access token, which is for other services, is not even read.</summary>
internal sealed record TokenAnswer
{
    [JsonPropertyName("id_token")]
    public string? IdToken { get; init; }

    [JsonPropertyName("refresh_token")]
    public string? RefreshToken { get; init; }
}

/// <summary>Why an issuer refuses.</summary>
internal sealed record ErrorAnswer
{
    [JsonPropertyName("error")]
    public string? Error { get; init; }

    [JsonPropertyName("error_description")]
    public string? Description { get; init; }
}

[JsonSerializable(typeof(Discovery))]
[JsonSerializable(typeof(DeviceAnswer))]
[JsonSerializable(typeof(TokenAnswer))]
[JsonSerializable(typeof(ErrorAnswer))]
internal sealed partial class IssuerJson : JsonSerializerContext;
